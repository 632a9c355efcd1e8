package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

const (
	envPrefix = "TURNOUT_"
	// configName names the YAML file itself: --config or TURNOUT_CONFIG.
	configName = "config"
)

// Loader gathers what the command line says and then applies all sources in
// their order: flag over environment over file over default.
type Loader struct {
	mode  Mode
	flags *pflag.FlagSet
	file  string
	given map[string]string // key → text of a flag that was given
}

// NewLoader adds a flag for every setting, and --config, to flags. Call Load
// once they are parsed.
func NewLoader(mode Mode, flags *pflag.FlagSet) *Loader {
	l := &Loader{mode: mode, flags: flags, given: map[string]string{}}
	flags.StringVar(&l.file, configName, "", "YAML file with settings (environment: "+envPrefix+"CONFIG)")
	for _, s := range Settings() {
		if s.Hidden {
			continue
		}
		help := s.Help + " (environment: " + s.Env() + ")"
		f := flags.VarPF(&flagValue{setting: s, text: s.Default(mode), given: l.given}, s.Flag(), "", help)
		if s.Kind == "bool" {
			f.NoOptDefVal = "true"
		}
	}
	return l
}

// flagValue is a pflag.Value that checks and keeps the text of one flag.
type flagValue struct {
	setting Setting
	text    string
	given   map[string]string
}

// String returns the text that was given, or that of the default.
func (v *flagValue) String() string { return v.text }

// Type names the kind of value in --help.
func (v *flagValue) Type() string { return v.setting.Kind }

// Set checks and keeps what was given.
func (v *flagValue) Set(text string) error {
	var scratch Config
	if err := v.setting.set(&scratch, text); err != nil {
		return err
	}
	if before, ok := v.given[v.setting.Key]; ok && v.setting.Kind == "list" {
		text = before + "," + text
	}
	v.text, v.given[v.setting.Key] = text, text
	return nil
}

// Given reports whether the command line set the setting of this key.
func (l *Loader) Given(key string) bool {
	_, ok := l.given[key]
	return ok
}

// Load applies environ (as os.Environ returns it), the file and the flags, and
// validates the result. The error names every fault found.
func (l *Loader) Load(environ []string) (Config, error) {
	env, err := parseEnviron(environ)
	if err != nil {
		return Config{}, err
	}
	file := l.file
	if file == "" {
		file = env[configName]
	}
	var texts map[string]string
	if file != "" {
		data, err := readFile(file)
		if err != nil {
			return Config{}, err
		}
		if texts, err = parseYAML(file, data); err != nil {
			return Config{}, err
		}
	}
	c, err := apply(l.mode, texts, env, l.given)
	if err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// apply sets the texts of each source in turn over the defaults.
func apply(mode Mode, sources ...map[string]string) (Config, error) {
	c := Default(mode)
	var faults []error
	for _, s := range Settings() {
		for _, texts := range sources {
			text, ok := texts[s.Key]
			if !ok {
				continue
			}
			if err := s.set(&c, text); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", s.Key, err))
			}
		}
	}
	if !slices.ContainsFunc(sources, func(texts map[string]string) bool { _, ok := texts["grpc_listen"]; return ok }) {
		c.GRPCListen = "" // its default depends on another setting
		c = c.WithDefaults()
	}
	return c, errors.Join(faults...)
}

// fileMaxBytes bounds the settings file; a real one has a few lines.
const fileMaxBytes = 1 << 20

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	if info.Size() > fileMaxBytes {
		return nil, fmt.Errorf("config file %s: %d bytes is more than %d", name, info.Size(), fileMaxBytes)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("config file: %w", err)
	}
	return data, nil
}

// parseEnviron picks the TURNOUT_ variables; the result is key → text. A
// variable that names no setting is a fault: it would otherwise be a typing
// error that nobody sees.
func parseEnviron(environ []string) (map[string]string, error) {
	// The last one is for the commands that call a server, and may be set where one is started.
	keys := map[string]string{envPrefix + "CONFIG": configName, envPrefix + "GRPC_ENDPOINT": ""}
	for _, s := range Settings() {
		keys[s.Env()] = s.Key
	}
	texts := map[string]string{}
	var faults []error
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		key, ok := keys[name]
		if !ok {
			names := make([]string, 0, len(keys))
			for n := range keys {
				names = append(names, n)
			}
			faults = append(faults, fmt.Errorf("environment: %s is not a setting; did you mean %s?", name, nearest(name, names)))
			continue
		}
		texts[key] = text
	}
	return texts, errors.Join(faults...)
}

// nearest returns the candidate with the smallest edit distance to name, the
// first in order among equals.
func nearest(name string, candidates []string) string {
	slices.Sort(candidates)
	best, bestDistance := "", 0
	for _, c := range candidates {
		if d := editDistance(name, c); best == "" || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance is Levenshtein's, on bytes. Names longer than any setting are cut.
func editDistance(a, b string) int {
	const enough = 128
	a, b = a[:min(len(a), enough)], b[:min(len(b), enough)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
