// Reads a dashboard, in JSON, from its input, and prints what Grafana's own schema of dashboards, panels and queries finds
// wrong with it, a line each.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	plugins.RegisterDefaultPlugins()
	var read dashboard.Dashboard
	for _, found := range []error{read.UnmarshalJSONStrict(text), read.Validate()} {
		if found != nil && found.Error() != "" {
			fmt.Println(found)
		}
	}
}
