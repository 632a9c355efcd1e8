package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root        = "../.."
	fileLines   = 800 // hard; 500 is the rule of thumb
	packageSize = 15  // files without tests
)

// source is a parsed Go file of the module.
type source struct {
	path, dir string
	test      bool
	lines     int
	fset      *token.FileSet
	syntax    *ast.File
}

// walk calls visit for every file below the root that is not data or Git's.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "dist" || d.Name() == "bin"):
			return fs.SkipDir
		case d.Type().IsRegular():
			visit(path)
		}
		return nil
	}))
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		if ast.IsGenerated(syntax) {
			return
		}
		all = append(all, source{
			path: path, dir: filepath.Dir(path), test: strings.HasSuffix(path, "_test.go"),
			lines: strings.Count(string(text), "\n"), fset: fset, syntax: syntax,
		})
	})
	require.NotEmpty(t, all)
	return all
}

func TestPackagesAreDocumentedAndSmall(t *testing.T) {
	t.Parallel()

	docs, files := map[string]int{}, map[string]int{}
	for _, f := range sources(t) {
		if f.lines > fileLines {
			t.Errorf("%s has %d lines, at most %d: split it by what its parts are about", f.path, f.lines, fileLines)
		}
		if f.test {
			if f.syntax.Doc != nil && f.syntax.Name.Name != "main" {
				t.Errorf("%s: the package comment belongs in doc.go", f.path)
			}
			continue
		}
		files[f.dir]++
		if f.syntax.Doc == nil {
			continue
		}
		docs[f.dir]++
		if base := filepath.Base(f.path); base != "doc.go" && base != "main.go" {
			t.Errorf("%s: the package comment belongs in doc.go", f.path)
		}
	}
	for dir, n := range files {
		if docs[dir] != 1 {
			t.Errorf("%s has %d package comments, want one", dir, docs[dir])
		}
		if n > packageSize {
			t.Errorf("%s has %d files, at most %d: there is a second package in it", dir, n, packageSize)
		}
	}
}

// TestNothingSleeps forbids time.Sleep in the program: what waits must wake
// when it is told to stop. Tests may sleep, in virtual time.
func TestNothingSleeps(t *testing.T) {
	t.Parallel()

	for _, f := range sources(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
					t.Errorf("%s: time.Sleep; wait on a timer and a context", f.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// TestNoForeignPaths keeps the repository whole: nothing in it may point at
// the machine that it was written on.
func TestNoForeignPaths(t *testing.T) {
	t.Parallel()

	foreign := regexp.MustCompile(`/wor` + `k/(main|shared)|\.\./sha` + `red\b|/ro` + `ot/|/ho` + `me/[a-z]`)
	walk(t, func(path string) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if at := foreign.Find(text); at != nil {
			t.Errorf("%s refers to %s, which other machines do not have", path, at)
		}
	})
}
