package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// FlightSQL is the client of arrow/flight/flightsql.
type FlightSQL struct{ config *Config }

func (FlightSQL) Name() string { return "go flightsql" }

// session is a connection and the context of its calls.
type session struct {
	context.Context
	*flightsql.Client
}

// Make makes a check on a connection of its own.
func (client FlightSQL) Make(check Check) (any, error) {
	if check.Kind == "connect" {
		return client.connect(check)
	}
	session, err := client.plain()
	if check.At == "tls" {
		session, err = client.secure(client.config.TLS, true)
		if err == nil {
			session, err = session.login(client.config.User, client.config.Password)
		}
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if check.Kind == "go" {
		return session.own(check)
	}
	made, known := map[string]func(Check) (any, error){
		"values": session.values, "stream": session.stream, "parameters": session.parameters, "rows": session.rows,
		"script": session.script, "metadata": session.metadata, "ingest": session.ingest, "cancel": session.cancel,
		"deadline": session.deadline, "first values": session.firstValues, "options": session.options,
		"endpoints": session.endpoints,
	}[check.Kind]
	if !known {
		return nil, fmt.Errorf("unknown kind %q", check.Kind)
	}
	return made(check)
}

func (client FlightSQL) plain() (session, error) {
	return open(client.config.Plain, insecure.NewCredentials())
}

func (client FlightSQL) secure(address string, trust bool) (session, error) {
	return open(address, credentials.NewTLS(client.config.tls(trust)))
}

func (config *Config) tls(trust bool) *tls.Config {
	pool := x509.NewCertPool()
	if trust {
		pem, err := os.ReadFile(config.CA)
		must(err)
		pool.AppendCertsFromPEM(pem)
	}
	return &tls.Config{RootCAs: pool}
}

func open(address string, transport credentials.TransportCredentials) (session, error) {
	cookies := []flight.ClientMiddleware{flight.NewClientCookieMiddleware()}
	client, err := flightsql.NewClient(address, nil, cookies, grpc.WithTransportCredentials(transport))
	return session{context.Background(), client}, err
}

func (session session) login(user, password string) (session, error) {
	context, err := session.Client.Client.AuthenticateBasicToken(session, user, password)
	session.Context = context
	return session, err
}

func (client FlightSQL) connect(check Check) (any, error) {
	config := client.config
	address := map[string]string{"plain": config.Plain, "token end": config.Brief}[check.How]
	if address == "" {
		address = config.TLS
	}
	session, err := client.secure(address, check.How != "untrusted")
	if check.How == "plain" {
		session, err = client.plain()
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	switch check.How {
	case "plain", "nobody":
	case "token":
		session.Context = metadata.AppendToOutgoingContext(session, "authorization", "Bearer "+config.Token)
	case "wrong password":
		session, err = session.login(config.User, "another")
	default:
		session, err = session.login(config.User, config.Password)
	}
	if err != nil {
		return nil, err
	}
	first, err := session.query(check.SQL)
	if err != nil {
		return nil, err
	}
	if check.How != "token end" {
		return Object{"rows": first}, nil
	}
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if _, err := session.query(check.SQL); err != nil {
			return Object{"before": first, "after": failure(err)}, nil
		}
	}
	return Object{"before": first, "after": nil}, nil
}

// read gives each batch of all endpoints to a function; gives the schema.
func (session session) read(info *flight.FlightInfo, take func(arrow.RecordBatch) error) (*arrow.Schema, error) {
	schema, err := flight.DeserializeSchema(info.Schema, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	for _, endpoint := range info.Endpoint {
		if err := session.readOne(endpoint, schema, take); err != nil {
			return nil, err
		}
	}
	return schema, nil
}

func (session session) readOne(endpoint *flight.FlightEndpoint, schema *arrow.Schema, take func(arrow.RecordBatch) error) error {
	for _, location := range endpoint.Location {
		if _, address, is := strings.Cut(location.Uri, "grpc://"); is {
			other, err := open(address, insecure.NewCredentials())
			if err != nil {
				return err
			}
			defer other.Close()
			session.Client = other.Client
			break
		}
	}
	reader, err := session.DoGet(session, endpoint.Ticket)
	if err != nil {
		return err
	}
	defer reader.Release()
	if !reader.Schema().Equal(schema) {
		return fmt.Errorf("the stream's schema is %s, that of its FlightInfo %s", reader.Schema(), schema)
	}
	for reader.Next() {
		if err := take(reader.RecordBatch()); err != nil {
			return err
		}
	}
	if err := reader.Err(); err != nil {
		return err
	}
	return nil
}

// all gives the rows of an answer, or of the error.
func (session session) all(info *flight.FlightInfo, err error) (found []any, schema *arrow.Schema, failed error) {
	if err != nil {
		return nil, nil, err
	}
	found = []any{}
	schema, err = session.read(info, func(batch arrow.RecordBatch) error {
		found = append(found, rows(batch)...)
		return nil
	})
	return found, schema, err
}

func (session session) query(sql string) ([]any, error) {
	rows, _, err := session.all(session.Execute(session, sql))
	return rows, err
}

func (session session) values(check Check) (any, error) {
	rows, schema, err := session.all(session.Execute(session, check.SQL))
	if err != nil {
		return nil, err
	}
	values := []any{}
	for _, row := range rows {
		values = append(values, row.([]any)[0])
	}
	return Object{"type": typeName(schema.Field(0).Type), "values": values}, nil
}

// sums reads all rows, and sums up their first column.
func (session session) sums(info *flight.FlightInfo) (Object, error) {
	var rows, sum int64
	_, err := session.read(info, func(batch arrow.RecordBatch) error {
		for _, id := range batch.Column(0).(*array.Int64).Int64Values() {
			sum += id
		}
		rows += batch.NumRows()
		return nil
	})
	return Object{"rows": fmt.Sprint(rows), "sum": fmt.Sprint(sum)}, err
}

func (session session) stream(check Check) (any, error) {
	before := peak()
	info, err := session.Execute(session, check.SQL)
	if err != nil {
		return nil, err
	}
	seen, err := session.sums(info)
	seen["mb"] = fmt.Sprint(peak() - before)
	return seen, err
}

func (session session) parameters(check Check) (any, error) {
	statement, err := session.Prepare(session, check.SQL)
	if err != nil {
		return nil, err
	}
	defer statement.Close(session)
	var told any
	if schema := statement.ParameterSchema(); schema != nil && schema.NumFields() > 0 {
		told = typeName(schema.Field(0).Type)
	}
	values := []any{}
	for _, given := range check.Values {
		statement.SetParameters(batch([]string{check.Type}, [][]any{{given}}))
		rows, _, err := session.all(statement.Execute(session))
		if err != nil {
			values = append(values, failure(err))
		} else {
			values = append(values, rows[0].([]any)[0])
		}
	}
	return Object{"told": told, "values": values}, nil
}

func (session session) rows(check Check) (any, error) {
	var given [][]any
	must(json.Unmarshal(check.Rows, &given))
	if _, err := session.ExecuteUpdate(session, check.Before); err != nil {
		return nil, err
	}
	statement, err := session.Prepare(session, check.SQL)
	if err != nil {
		return nil, err
	}
	defer statement.Close(session)
	statement.SetParameters(batch(check.Types, given))
	changed, err := statement.ExecuteUpdate(session)
	seen := count(changed)
	if err == nil {
		seen["rows"], err = session.query(check.Then)
	}
	return seen, err
}

// bound prepares the statement of a step, and runs it with its parameters.
func (session session) bound(step Step) (Object, error) {
	statement, err := session.Prepare(session, step.Query+step.Update)
	if err != nil {
		return nil, err
	}
	defer statement.Close(session)
	statement.SetParameters(batch(step.Types, [][]any{step.Values}))
	if step.Update != "" {
		changed, err := statement.ExecuteUpdate(session)
		return count(changed), err
	}
	rows, _, err := session.all(statement.Execute(session))
	return Object{"rows": rows}, err
}

func (session session) script(check Check) (any, error) {
	outcomes := []any{}
	for _, step := range check.Steps {
		var outcome Object
		var err error
		switch {
		case step.Types != nil:
			outcome, err = session.bound(step)
		case step.Update != "":
			var changed int64
			changed, err = session.ExecuteUpdate(session, step.Update)
			outcome = count(changed)
		default:
			var rows []any
			rows, err = session.query(step.Query)
			outcome = Object{"rows": rows}
		}
		if err != nil {
			outcome = failure(err)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

// ingested are the rows of an upload.
func ingested(number int) array.RecordReader {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	for id := range number {
		builder.Field(0).(*array.Int64Builder).Append(int64(id))
		if id == 1 {
			builder.Field(1).AppendNull()
		} else {
			builder.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("name %d", id))
		}
	}
	reader, err := array.NewRecordReader(schema, []arrow.RecordBatch{builder.NewRecordBatch()})
	must(err)
	return reader
}

func (session session) ingest(check Check) (any, error) {
	var number int
	must(json.Unmarshal(check.Rows, &number))
	if check.Before != "" {
		if _, err := session.ExecuteUpdate(session, check.Before); err != nil {
			return nil, err
		}
	}
	absent := flightsql.TableDefinitionOptionsTableNotExistOptionCreate
	if check.Mode == "append" {
		absent = flightsql.TableDefinitionOptionsTableNotExistOptionFail
	}
	there := map[string]flightsql.TableDefinitionOptionsTableExistsOption{
		"create":        flightsql.TableDefinitionOptionsTableExistsOptionFail,
		"append":        flightsql.TableDefinitionOptionsTableExistsOptionAppend,
		"create_append": flightsql.TableDefinitionOptionsTableExistsOptionAppend,
		"replace":       flightsql.TableDefinitionOptionsTableExistsOptionReplace,
	}[check.Mode]
	changed, err := session.ExecuteIngest(session, ingested(number), &flightsql.ExecuteIngestOpts{
		Table: check.Table, Temporary: check.Temporary,
		TableDefinitionOptions: &flightsql.TableDefinitionOptions{IfNotExist: absent, IfExists: there},
	})
	seen := count(changed)
	if err == nil && check.Then != "" {
		seen["rows"], err = session.query(check.Then)
	}
	return seen, err
}

func (outer session) cancel(check Check) (any, error) {
	inner, cancel := context.WithCancel(outer)
	defer cancel()
	session := session{inner, outer.Client}
	if check.When == "computing" {
		time.AfterFunc(500*time.Millisecond, cancel)
	}
	info, err := session.Execute(session, check.SQL)
	if err == nil {
		_, err = session.read(info, func(arrow.RecordBatch) error {
			cancel()
			return nil
		})
	}
	if err == nil {
		return nil, errors.New("all rows came")
	}
	next, failed := outer.query("SELECT 1")
	return Object{"after": failure(err), "next": next}, failed
}

func (outer session) deadline(check Check) (any, error) {
	inner, cancel := context.WithTimeout(outer, time.Duration(check.Seconds*float64(time.Second)))
	defer cancel()
	rows, err := session{inner, outer.Client}.query(check.SQL)
	return Object{"rows": rows}, err
}

func (session session) firstValues(check Check) (any, error) {
	for name, value := range check.Parameters {
		session.Context = metadata.AppendToOutgoingContext(session, name, value)
	}
	rows, err := session.query(check.SQL)
	return Object{"rows": rows}, err
}

func (session session) options(check Check) (any, error) {
	var given map[string]any
	must(json.Unmarshal(check.Set, &given))
	values, err := flight.NewSessionOptionValues(given)
	if err != nil {
		return nil, err
	}
	set, err := session.SetSessionOptions(session, &flight.SetSessionOptionsRequest{SessionOptions: values})
	if err != nil {
		return nil, err
	}
	refused := Object{}
	for name, told := range set.Errors {
		refused[name] = told.Value.String()
	}
	told, err := session.GetSessionOptions(session, &flight.GetSessionOptionsRequest{})
	if err != nil {
		return nil, err
	}
	options := Object{}
	for name := range given {
		if value, is := told.SessionOptions[name]; is {
			options[name] = value.GetStringValue()
		}
	}
	rows, err := session.query(check.SQL)
	if err != nil {
		return nil, err
	}
	closed, err := session.CloseSession(session, &flight.CloseSessionRequest{})
	if err != nil {
		return nil, err
	}
	return Object{"refused": refused, "options": options, "rows": rows, "closed": closed.Status.String()}, nil
}

func (session session) endpoints(check Check) (any, error) {
	var set string
	must(json.Unmarshal(check.Set, &set))
	if _, err := session.ExecuteUpdate(session, set); err != nil {
		return nil, err
	}
	info, err := session.Execute(session, check.SQL)
	if err != nil {
		return nil, err
	}
	seen, err := session.sums(info)
	seen["endpoints"] = "1"
	if len(info.Endpoint) > 1 {
		seen["endpoints"] = "several"
	}
	return seen, err
}

// own makes checks of what only this client has.
func (session session) own(check Check) (any, error) {
	switch check.Of {
	case "large value":
		return session.largeValue(check)
	case "result tables":
		return session.resultTables(check)
	}
	return nil, Cannot("it is of database/sql")
}

// resultTables tells from which tables the columns of a result come: once prepared, planned, and with the rows.
func (session session) resultTables(check Check) (any, error) {
	prepared, err := session.Prepare(session, check.SQL)
	if err != nil {
		return nil, err
	}
	defer prepared.Close(session)
	info, err := prepared.Execute(session)
	if err != nil {
		return nil, err
	}
	planned, err := flight.DeserializeSchema(info.Schema, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	reader, err := session.DoGet(session, info.Endpoint[0].Ticket)
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	found := []any{}
	for _, schema := range []*arrow.Schema{prepared.DatasetSchema(), planned, reader.Schema()} {
		columns := []any{}
		for _, field := range schema.Fields() {
			told := flightsql.ColumnMetadata{Data: &field.Metadata}
			catalog, _ := told.CatalogName()
			schema, _ := told.SchemaName()
			table, _ := told.TableName()
			columns = append(columns, []any{field.Name, catalog, schema, table})
		}
		found = append(found, columns)
	}
	return found, nil
}

func (session session) largeValue(check Check) (any, error) {
	info, err := session.Execute(session, check.SQL)
	if err != nil {
		return nil, err
	}
	seen := Object{"default": nil}
	if _, err := session.read(info, func(arrow.RecordBatch) error { return nil }); err != nil {
		seen["default"] = failure(err)
	}
	reader, err := session.DoGet(session, info.Endpoint[0].Ticket, grpc.MaxCallRecvMsgSize(64<<20))
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	for reader.Next() {
		seen["larger"] = fmt.Sprint(len(reader.RecordBatch().Column(0).(*array.String).Value(0)))
	}
	return seen, reader.Err()
}
