// Program go makes the checks of its configuration with two clients of arrow-go, and prints what each saw.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Config is what the program is told of the servers, and what to ask them.
type Config struct {
	Plain, TLS, Brief, CA, User, Password, Token string
	Checks                                       []Check
}

// Check is one of them: a kind, and the arguments of the kind.
type Check struct {
	Name, Kind, How, SQL, Type, At, Of, Schema, Table, Mode, When, Before, Then string
	Catalog                                                                     *string
	Values                                                                      []any
	Types                                                                       []string
	Rows                                                                        json.RawMessage
	Steps                                                                       []Step
	Codes                                                                       []uint32
	Temporary                                                                   bool
	Seconds                                                                     float64
	Parameters                                                                  map[string]string
	Set                                                                         json.RawMessage
}

// Step is a statement of a script, with the parameters that are bound to it, where there are any.
type Step struct {
	Query, Update string
	Types         []string
	Values        []any
}

// Object is one of JSON.
type Object = map[string]any

// Client makes checks.
type Client interface {
	Name() string
	// Make returns what was seen, or an error; a Cannot where there is no call for it.
	Make(check Check) (any, error)
}

// Cannot is the reason for which a client has no way to make a check.
type Cannot string

func (reason Cannot) Error() string { return string(reason) }

func main() {
	text, err := os.ReadFile(os.Args[1])
	must(err)
	var config Config
	must(json.Unmarshal(text, &config))
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for _, client := range []Client{FlightSQL{&config}, DatabaseSQL{&config}} {
		for _, check := range config.Checks {
			line := Object{"client": client.Name(), "check": check.Name}
			seen, err := client.Make(check)
			if reason, cannot := err.(Cannot); cannot {
				line["cannot"] = string(reason)
			} else if err != nil {
				line["seen"] = failure(err)
			} else {
				line["seen"] = seen
			}
			must(output.Encode(line))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// failure is an error in its form.
func failure(err error) Object {
	return Object{"error": Object{"code": code(err), "text": err.Error()}}
}

// code is the one that gRPC has for an error, or null.
func code(err error) any {
	if errors.Is(err, context.DeadlineExceeded) { // which database/sql may say before the server's answer is there
		return "DEADLINE_EXCEEDED"
	}
	told, ok := status.FromError(err)
	if !ok {
		return nil
	}
	if told.Code() == codes.Canceled {
		return "CANCELLED"
	}
	var words strings.Builder
	for place, letter := range told.Code().String() {
		if place > 0 && letter >= 'A' && letter <= 'Z' {
			words.WriteByte('_')
		}
		words.WriteRune(letter)
	}
	return strings.ToUpper(words.String())
}

// peak is the most memory that the process ever had, in MB.
func peak() int {
	text, err := os.ReadFile("/proc/self/status")
	must(err)
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	must(err)
	return kilobytes / 1024
}

func count(rows int64) Object { return Object{"count": fmt.Sprint(rows)} }
