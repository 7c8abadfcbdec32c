package main

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql/schema_ref"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// metadata makes a call for metadata, whose schema has to be the one that arrow-go has for it.
func (session session) metadata(check Check) (any, error) {
	table := flightsql.TableRef{DBSchema: &check.Schema, Table: check.Table}
	switch check.Of {
	case "catalogs":
		return session.told(schema_ref.Catalogs)(session.GetCatalogs(session))
	case "schemas":
		options := &flightsql.GetDBSchemasOpts{Catalog: check.Catalog, DbSchemaFilterPattern: &check.Schema}
		return session.told(schema_ref.DBSchemas)(session.GetDBSchemas(session, options))
	case "tables":
		options := &flightsql.GetTablesOpts{
			DbSchemaFilterPattern: &check.Schema, TableNameFilterPattern: &check.Table, TableTypes: check.Types,
		}
		return session.told(schema_ref.Tables)(session.GetTables(session, options))
	case "columns":
		return session.columns(check)
	case "table types":
		return session.told(schema_ref.TableTypes)(session.GetTableTypes(session))
	case "primary keys":
		return session.told(schema_ref.PrimaryKeys)(session.GetPrimaryKeys(session, table))
	case "imported keys":
		return session.told(schema_ref.ImportedKeys)(session.GetImportedKeys(session, table))
	case "exported keys":
		return session.told(schema_ref.ExportedKeys)(session.GetExportedKeys(session, table))
	case "cross reference":
		return session.told(schema_ref.CrossReference)(session.GetCrossReference(session, table, table))
	case "type names":
		rows, err := session.told(schema_ref.XdbcTypeInfo)(session.GetXdbcTypeInfo(session, nil))
		for place := range rows {
			rows[place] = rows[place].([]any)[:1]
		}
		return rows, err
	case "sql info":
		return session.sqlInfo(check)
	}
	return nil, fmt.Errorf("unknown metadata %q", check.Of)
}

// told gives the rows of an answer.
func (session session) told(schema *arrow.Schema) func(*flight.FlightInfo, error) ([]any, error) {
	return func(info *flight.FlightInfo, err error) ([]any, error) {
		rows, found, err := session.all(info, err)
		if err == nil && !found.Equal(schema) {
			err = fmt.Errorf("the schema is %s, not %s", found, schema)
		}
		return rows, err
	}
}

func (session session) columns(check Check) (any, error) {
	info, err := session.GetTables(session, &flightsql.GetTablesOpts{
		DbSchemaFilterPattern: &check.Schema, TableNameFilterPattern: &check.Table, IncludeSchema: true,
	})
	if err != nil {
		return nil, err
	}
	columns := []any{}
	_, err = session.read(info, func(batch arrow.RecordBatch) error {
		for place := range int(batch.NumRows()) {
			reader, err := ipc.NewReader(bytes.NewReader(batch.Column(4).(*array.Binary).Value(place)))
			if err != nil {
				return err
			}
			for _, field := range reader.Schema().Fields() {
				columns = append(columns, []any{field.Name, typeName(field.Type), field.Nullable})
			}
			reader.Release()
		}
		return nil
	})
	return columns, err
}

func (session session) sqlInfo(check Check) (any, error) {
	var codes []flightsql.SqlInfo
	for _, code := range check.Codes {
		codes = append(codes, flightsql.SqlInfo(code))
	}
	rows, err := session.told(schema_ref.SqlInfo)(session.GetSqlInfo(session, codes))
	found := Object{}
	for _, row := range rows {
		found[row.([]any)[0].(string)] = row.([]any)[1]
	}
	return found, err
}
