package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight/flightsql/driver"
)

// DatabaseSQL is database/sql with the driver of arrow/flight/flightsql.
type DatabaseSQL struct{ config *Config }

func (DatabaseSQL) Name() string { return "go database/sql" }

// connection is one of a database.
type connection struct {
	*sql.Conn
	database *sql.DB
}

func (connection connection) close() {
	_ = connection.Conn.Close()
	_ = connection.database.Close()
}

// Make makes a check on a connection of its own.
func (client DatabaseSQL) Make(check Check) (any, error) {
	config := client.config
	if check.Kind == "connect" {
		return client.connect(check)
	}
	address, user, values := config.Plain, (*url.Userinfo)(nil), url.Values{}
	if check.At == "tls" {
		address, user = config.TLS, url.UserPassword(config.User, config.Password)
		values.Set("tls", client.trusted(true))
	}
	for name, value := range check.Parameters {
		values.Set(name, value)
	}
	connection, err := dial(address, user, values)
	if err != nil {
		return nil, err
	}
	defer connection.close()
	if check.Name == "error.far behind" {
		return nil, Cannot("the driver loses an error in mid-stream now and then: a race between its reader and its stream")
	}
	switch check.Kind {
	case "go":
		return connection.own(check)
	case "values":
		return connection.values(check)
	case "stream":
		before := peak()
		seen, err := connection.sums(check.SQL)
		seen["mb"] = fmt.Sprint(peak() - before)
		return seen, err
	case "parameters":
		return connection.parameters(check)
	case "script":
		return connection.script(check)
	case "cancel":
		return connection.cancel(check)
	case "deadline":
		inner, cancel := context.WithTimeout(context.Background(), time.Duration(check.Seconds*float64(time.Second)))
		defer cancel()
		rows, err := connection.query(inner, check.SQL)
		return Object{"rows": rows}, err
	case "first values":
		rows, err := connection.query(context.Background(), check.SQL)
		return Object{"rows": rows}, err
	case "rows":
		return connection.rows(check)
	case "metadata":
		return nil, Cannot("database/sql has no calls for metadata")
	case "ingest":
		return nil, Cannot("database/sql has no bulk ingest")
	case "options":
		return nil, Cannot("database/sql has no session options; `USE` and `SET` set them")
	case "endpoints":
		var set string
		must(json.Unmarshal(check.Set, &set))
		if _, err := connection.ExecContext(context.Background(), set); err != nil {
			return nil, err
		}
		seen, err := connection.sums(check.SQL)
		seen["endpoints"] = nil
		return seen, err
	}
	return nil, fmt.Errorf("unknown kind %q", check.Kind)
}

// trusted is the name of a TLS configuration that is known to the driver.
func (client DatabaseSQL) trusted(trust bool) string {
	name := fmt.Sprintf("trust-%t", trust)
	if err := driver.RegisterTLSConfig(name, client.config.tls(trust)); err != nil && !errors.Is(err, driver.ErrRegistryEntryExists) {
		panic(err)
	}
	return name
}

func dial(address string, user *url.Userinfo, values url.Values) (connection, error) {
	name := url.URL{Scheme: "flightsql", User: user, Host: address, RawQuery: values.Encode()}
	database, err := sql.Open("flightsql", name.String())
	if err != nil {
		return connection{}, err
	}
	one, err := database.Conn(context.Background())
	return connection{one, database}, err
}

func (client DatabaseSQL) connect(check Check) (any, error) {
	config := client.config
	address, user, values := config.TLS, (*url.Userinfo)(nil), url.Values{}
	switch check.How {
	case "plain":
		address = config.Plain
	case "token":
		values.Set("token", config.Token)
	case "token end":
		return nil, Cannot("the driver sends user and password with each call, and no token of a login")
	case "wrong password":
		user = url.UserPassword(config.User, "another")
	case "password", "untrusted":
		user = url.UserPassword(config.User, config.Password)
	}
	if check.How != "plain" {
		values.Set("tls", client.trusted(check.How != "untrusted"))
	}
	connection, err := dial(address, user, values)
	if err != nil {
		return nil, err
	}
	defer connection.close()
	rows, err := connection.query(context.Background(), check.SQL)
	return Object{"rows": rows}, err
}

// shown is a value in its form, by the type that the driver gave it.
func shown(value any) any {
	switch value := value.(type) {
	case nil, bool, string:
		return value
	case float32:
		return float(float64(value), 32)
	case float64:
		return float(value, 64)
	case []byte:
		return hex.EncodeToString(value)
	case time.Time:
		return moment(value, false)
	default:
		return fmt.Sprint(value)
	}
}

func each(found *sql.Rows, take func([]any)) error {
	defer found.Close()
	names, err := found.Columns()
	if err != nil {
		return err
	}
	for found.Next() {
		row := make([]any, len(names))
		places := make([]any, len(names))
		for place := range row {
			places[place] = &row[place]
		}
		if err := found.Scan(places...); err != nil {
			return err
		}
		take(row)
	}
	return found.Err()
}

func all(found *sql.Rows, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	rows := []any{}
	err = each(found, func(row []any) {
		for place := range row {
			row[place] = shown(row[place])
		}
		rows = append(rows, row)
	})
	return rows, err
}

func (connection connection) query(context context.Context, sql string) ([]any, error) {
	return all(connection.QueryContext(context, sql))
}

func (connection connection) values(check Check) (any, error) {
	rows, err := connection.query(context.Background(), check.SQL)
	values := []any{}
	for _, row := range rows {
		values = append(values, row.([]any)[0])
	}
	return Object{"type": nil, "values": values}, err
}

func (connection connection) sums(sql string) (Object, error) {
	var rows, sum int64
	found, err := connection.QueryContext(context.Background(), sql)
	if err == nil {
		err = each(found, func(row []any) {
			rows++
			sum += row[0].(int64)
		})
	}
	return Object{"rows": fmt.Sprint(rows), "sum": fmt.Sprint(sum)}, err
}

// given is a parameter as a value of Go; the driver takes what text says for the types that it cannot make.
func given(kind string, value any) any {
	text, is := value.(string)
	if !is {
		return value
	}
	switch kind {
	case "int8", "int16", "int32", "int64":
		number, err := strconv.ParseInt(text, 10, 64)
		must(err)
		return number
	case "float32", "float64":
		number, err := strconv.ParseFloat(text, 64)
		must(err)
		return number
	case "binary":
		bytes, err := hex.DecodeString(text)
		must(err)
		return bytes
	}
	return text
}

func (connection connection) parameters(check Check) (any, error) {
	statement, err := connection.PrepareContext(context.Background(), check.SQL)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	values := []any{}
	for _, value := range check.Values {
		rows, err := all(statement.Query(given(check.Type, value)))
		if err != nil {
			values = append(values, failure(err))
		} else {
			values = append(values, rows[0].([]any)[0])
		}
	}
	return Object{"told": nil, "values": values}, nil
}

func (connection connection) rows(check Check) (any, error) {
	var rows [][]any
	must(json.Unmarshal(check.Rows, &rows))
	if _, err := connection.ExecContext(context.Background(), check.Before); err != nil {
		return nil, err
	}
	statement, err := connection.PrepareContext(context.Background(), check.SQL)
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	var changed int64
	for _, row := range rows {
		for place := range row {
			row[place] = given(check.Types[place], row[place])
		}
		result, err := statement.Exec(row...)
		if err != nil {
			return nil, err
		}
		one, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		changed += one
	}
	seen := count(changed)
	seen["rows"], err = connection.query(context.Background(), check.Then)
	return seen, err
}

func (connection connection) script(check Check) (any, error) {
	outcomes := []any{}
	for _, step := range check.Steps {
		var outcome Object
		var err error
		values := []any{}
		for place, value := range step.Values {
			values = append(values, given(step.Types[place], value))
		}
		if step.Update != "" {
			var result sql.Result
			if result, err = connection.ExecContext(context.Background(), step.Update, values...); err == nil {
				var changed int64
				changed, err = result.RowsAffected()
				outcome = count(changed)
			}
		} else {
			var rows []any
			rows, err = all(connection.QueryContext(context.Background(), step.Query, values...))
			outcome = Object{"rows": rows}
		}
		if err != nil {
			outcome = failure(err)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

func (connection connection) cancel(check Check) (any, error) {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	if check.When == "computing" {
		time.AfterFunc(500*time.Millisecond, cancel)
	}
	var rows int
	found, err := connection.QueryContext(inner, check.SQL)
	if err == nil {
		err = each(found, func([]any) {
			rows++
			cancel()
		})
	}
	if rows > 500_000 {
		return nil, errors.New("all rows came")
	}
	if inner.Err() != nil { // what the driver tells is this, the server's answer or, now and then, nothing
		err = inner.Err()
	}
	next, failed := connection.query(context.Background(), "SELECT 1")
	return Object{"after": failure(err), "next": next}, failed
}

// own makes checks of what only this client has.
func (connection connection) own(check Check) (any, error) {
	switch check.Of {
	case "ping":
		nobody, err := dial("127.0.0.1:1", nil, url.Values{})
		if err != nil {
			return nil, err
		}
		defer nobody.close()
		seen := Object{"ping": nil}
		if err := nobody.PingContext(context.Background()); err != nil {
			seen["ping"] = failure(err)
		}
		rows, err := nobody.query(context.Background(), "SELECT 1")
		seen["query"] = rows
		if err != nil {
			seen["query"] = failure(err)
		}
		return seen, nil
	case "named arguments":
		text := "SELECT $b::BIGINT AS b, $a::BIGINT AS a"
		rows, err := all(connection.QueryContext(context.Background(), text, sql.Named("a", int64(1)), sql.Named("b", int64(2))))
		return Object{"rows": rows}, err
	}
	return nil, Cannot("it is of flightsql")
}
