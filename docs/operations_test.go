// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"flag"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// managerFlags are the flags of the manager and their defaults, "none" for an empty one.
func managerFlags(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	ast.Inspect(parse(t, "cmd/manager/flags.go"), func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		if on, ok := call.Fun.(*ast.SelectorExpr); !ok || !strings.HasSuffix(on.Sel.Name, "Var") || len(call.Args) != 4 {
			return true
		}
		all[literal(t, call.Args[1])] = literal(t, call.Args[2])
		return true
	})
	// The two sets that libraries bring have no defaults of their own: the table says what becomes of an empty value.
	brought := flag.NewFlagSet("", flag.ContinueOnError)
	new(zap.Options).BindFlags(brought)
	config.RegisterFlags(brought)
	brought.VisitAll(func(f *flag.Flag) { all[f.Name] = "" })
	return all
}

// literal is the value of a constant expression, as the pages write it.
func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return e.Value
		}
		value, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		if value == "" {
			return "none"
		}
		return value
	case *ast.Ident:
		return e.Name
	case *ast.BinaryExpr: // 90*time.Second
		unit := map[string]time.Duration{"Second": time.Second, "Minute": time.Minute}[e.Y.(*ast.SelectorExpr).Sel.Name]
		count, err := strconv.Atoi(e.X.(*ast.BasicLit).Value)
		if err != nil || unit == 0 {
			t.Fatalf("a duration that this test cannot read")
		}
		return (time.Duration(count) * unit).String()
	}
	t.Fatalf("a default that this test cannot read: %T", e)
	return ""
}

func TestOperationsHasEveryFlag(t *testing.T) {
	text := read(t, "docs/operations.md")
	want := managerFlags(t)
	var inCode []string
	for name := range want {
		inCode = append(inCode, "--"+name)
	}
	difference(t, inCode, submatches(text, "(?m)^\\| `(--[a-z-]+)` \\|"), "flag")
	for name, value := range want {
		if value == "" || name == "version" {
			continue
		}
		row := submatches(text, "(?m)^\\| `--"+name+"` \\| `?([^`|]*?)`? \\|")
		if len(row) != 1 {
			continue // told above
		}
		if documented, err := time.ParseDuration(row[0]); row[0] != value && (err != nil || documented.String() != value) {
			t.Errorf("the default of --%s is %s, and the page says %s", name, value, row[0])
		}
	}
}

// Flags in prose and examples must exist, too.
func TestFlagsOfTheManagerExist(t *testing.T) {
	known := managerFlags(t)
	for _, p := range pages(t) {
		for _, prefix := range []string{"gitlab-", "watch-", "metrics-", "zap-", "leader-", "create-", "sync-", "max-", "health-"} {
			for _, name := range submatches(p.text, "--("+prefix+"[a-z-]+)") {
				if _, ok := known[name]; !ok {
					t.Errorf("%s has --%s, which the manager does not know", p.path, name)
				}
			}
		}
	}
}

// metricsOf are the metrics of the manager with their labels.
func metricsOf(t *testing.T) []string {
	t.Helper()
	const prefix = "gitlab_cluster_operator_"
	var all []string
	var names []string // of calls around the one looked at
	ast.Inspect(parse(t, "controllers/metrics.go"), func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BinaryExpr:
			if x, ok := node.X.(*ast.Ident); ok && x.Name == "metricsPrefix" {
				names = append(names, prefix+literal(t, node.Y))
			}
		case *ast.CompositeLit:
			array, ok := node.Type.(*ast.ArrayType)
			if !ok || array.Len != nil || len(names) == 0 || len(node.Elts) == 0 {
				return true
			}
			var labels []string
			for _, element := range node.Elts {
				labels = append(labels, literal(t, element))
			}
			all = append(all, names[len(names)-1]+"{"+strings.Join(labels, ",")+"}")
			names = nil
		}
		return true
	})
	return all
}

func TestOperationsHasEveryMetric(t *testing.T) {
	rows := submatches(read(t, "docs/operations.md"), "(?m)^\\| `(gitlab_cluster_operator_[a-z_]+\\{[a-z,]+\\})` \\|")
	difference(t, metricsOf(t), rows, "metric")
	var names []string
	for _, metric := range metricsOf(t) {
		name, _, _ := strings.Cut(metric, "{")
		names = append(names, name)
	}
	for _, p := range pages(t) {
		for _, name := range submatches(p.text, `\b(gitlab_cluster_operator_[a-z_]+)`) {
			known := false
			for _, metric := range names {
				known = known || name == metric
			}
			if !known {
				t.Errorf("%s has the metric %s, which the manager does not serve", p.path, name)
			}
		}
	}
}
