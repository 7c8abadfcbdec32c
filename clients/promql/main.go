// Reads expressions of PromQL, a JSON array of texts, from its input, and prints those that Prometheus's parser refuses,
// a line for each with the reason.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	var expressions []string
	if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	reader := parser.NewParser(parser.Options{})
	for _, expression := range expressions {
		if _, err := reader.ParseExpr(expression); err != nil {
			fmt.Printf("%s: %v\n", expression, err)
		}
	}
}
