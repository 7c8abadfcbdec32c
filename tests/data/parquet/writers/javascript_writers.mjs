// Writes the rows with hyparquet-writer 0.17.0 and @dsnp/parquetjs 1.9.3.
// Run in tests/data/parquet: npm install --prefix /tmp/js hyparquet-writer@0.17.0 @dsnp/parquetjs@1.9.3
//                            NODE_PATH=/tmp/js/node_modules node writers/javascript_writers.mjs
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(process.env.NODE_PATH + '/')
const { parquetWriteFile } = await import(require.resolve('hyparquet-writer'))
const { ParquetSchema, ParquetWriter } = require('@dsnp/parquetjs')

const rows = JSON.parse(readFileSync('rows.json'))
const number = value => (value === null ? null : Number(value))
const column = (name, type, convert = v => v) => ({ name, type, data: rows.map(row => convert(row[name])) })

await parquetWriteFile({
  filename: 'hyparquet.parquet',
  rowGroupSize: 4,
  columnData: [
    column('id', 'INT32'), column('price', 'DOUBLE', number), column('ratio', 'FLOAT', number),
    column('name', 'STRING'), column('label', 'STRING'),
    column('raw', 'BYTE_ARRAY', v => (v === null ? null : new Uint8Array(Buffer.from(v, 'hex')))),
  ],
})

const optional = type => ({ type, optional: true })
const schema = new ParquetSchema({
  id: { type: 'INT32' }, price: optional('DOUBLE'), ratio: optional('FLOAT'), name: optional('UTF8'),
  label: optional('UTF8'), raw: optional('BYTE_ARRAY'),
})
const writer = await ParquetWriter.openFile(schema, 'parquetjs.parquet', { rowGroupSize: 4 })
for (const row of rows) {
  const raw = row.raw === null ? null : Buffer.from(row.raw, 'hex')
  const { id, name, label } = row
  await writer.appendRow({ id, price: number(row.price), ratio: number(row.ratio), name, label, raw })
}
await writer.close()
