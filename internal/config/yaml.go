package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads the settings of a file; the result is key → text. It walks
// the parsed nodes itself, because only so can a fault name its line and the
// nearest key, and because anchors then cost nothing.
func parseYAML(name string, data []byte) (map[string]string, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return map[string]string{}, nil // an empty file changes nothing
		}
		return nil, fmt.Errorf("config file %s: %w", name, err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("config file %s: more than one document", name)
	}
	r := yamlReader{name: name, texts: map[string]string{}, keys: map[string]bool{}, lists: map[string]bool{}, sections: map[string]bool{}}
	for _, s := range Settings() {
		r.keys[s.Key], r.lists[s.Key] = true, s.Kind == "list"
		if section, _, ok := strings.Cut(s.Key, "."); ok {
			r.sections[section] = true
		}
	}
	r.readMapping(doc.Content[0], "")
	return r.texts, errors.Join(r.faults...)
}

type yamlReader struct {
	name     string
	keys     map[string]bool // every setting
	lists    map[string]bool // those that are lists
	sections map[string]bool // first parts of settings such as limits.…
	texts    map[string]string
	faults   []error
}

func (r *yamlReader) fault(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("config file %s, line %d: %w", r.name, n.Line, fmt.Errorf(format, args...)))
}

// readMapping reads the pairs of n; prefix is "" or the section with its dot.
func (r *yamlReader) readMapping(n *yaml.Node, prefix string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "limits:" with nothing under it
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, "%sexpected keys and values", pathOf(prefix))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := prefix + key.Value
		switch {
		case seen[key.Value]:
			r.fault(key, "%s: given twice", path)
		case prefix == "" && r.sections[key.Value]:
			r.readMapping(value, key.Value+".")
		case prefix == "" && r.keys[path] && strings.Contains(path, "."):
			section, rest, _ := strings.Cut(path, ".")
			r.fault(key, "%s: write it as %s under %s", path, rest, section)
		case r.lists[path] && value.Kind == yaml.SequenceNode:
			r.readList(value, path)
		case r.keys[path]:
			r.readScalar(value, path)
		default:
			r.fault(key, "%s: unknown key; did you mean %s?", path, nearest(path, r.names()))
		}
		seen[key.Value] = true
	}
}

func (r *yamlReader) readScalar(n *yaml.Node, path string) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fault(n, "%s: expected one value", path)
	case n.Tag == "!!null":
		r.fault(n, "%s: no value; leave the key out to have its default", path)
	default:
		r.texts[path] = n.Value
	}
}

// readList reads a list that is written as one, not as a text with commas.
func (r *yamlReader) readList(n *yaml.Node, path string) {
	items := make([]string, len(n.Content))
	for i, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			r.fault(item, "%s: expected a list of single values", path)
			return
		}
		items[i] = item.Value
	}
	r.texts[path] = strings.Join(items, ",")
}

func (r *yamlReader) names() []string {
	names := make([]string, 0, len(r.keys))
	for k := range r.keys {
		names = append(names, k)
	}
	return names
}

func pathOf(prefix string) string {
	if prefix == "" {
		return ""
	}
	return strings.TrimSuffix(prefix, ".") + ": "
}
