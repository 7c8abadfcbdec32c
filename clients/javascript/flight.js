// Flight SQL's calls, over @grpc/grpc-js.
"use strict";

const fs = require("fs");
const path = require("path");
const arrow = require("apache-arrow");
const grpc = require("@grpc/grpc-js");
const protobuf = require("protobufjs");

const root = new protobuf.Root();
root.resolvePath = (origin, target) => (target.startsWith("google/") ? target : path.join(__dirname, target));
root.loadSync(["service.proto", "flight.proto", "flight_sql.proto"], { keepCase: true });

const PACKAGE = "arrow.flight.protocol";
const CMD = 2; // a descriptor's type

const type = (name) => root.lookupType(name.includes(".") ? name : `${PACKAGE}.${name}`);
const encode = (name, value) => Buffer.from(type(name).encode(type(name).fromObject(value)).finish());
const decode = (name, bytes) => type(name).toObject(type(name).decode(bytes), { longs: String, enums: String, defaults: true });

/** A message of Flight SQL in its Any. */
const wrapped = (name, value) =>
  encode("Any", { type_url: `type.googleapis.com/${PACKAGE}.sql.${name}`, value: encode(`${PACKAGE}.sql.${name}`, value) });
const unwrapped = (name, bytes) => decode(`${PACKAGE}.sql.${name}`, decode("Any", bytes).value);
const descriptor = (name, value) => ({ type: CMD, cmd: wrapped(name, value) });

/** A client of one server; `headers` go with all calls. */
class Client {
  constructor(address, ca, trust) {
    const credentials = ca ? grpc.credentials.createSsl(trust ? fs.readFileSync(ca) : null) : grpc.credentials.createInsecure();
    // Without a pool of its own a client has the connections, and so the session, of others with the same address.
    this.grpc = new grpc.Client(address, credentials, { "grpc.use_local_subchannel_pool": 1 });
    this.headers = new grpc.Metadata();
    this.options = {};
    this.ca = ca;
  }

  /** The call of a method; what it takes and gives are messages. */
  call(kind, method, takes, gives, ...argument) {
    const address = `/${PACKAGE}.FlightService/${method}`;
    const deadline = this.seconds ? { deadline: Date.now() + this.seconds * 1000 } : {};
    const form = [(value) => encode(takes, value), (bytes) => decode(gives, bytes)];
    return this.grpc[kind](address, ...form, ...argument, this.headers, deadline);
  }

  info(command, value = {}) {
    const address = `/${PACKAGE}.FlightService/GetFlightInfo`;
    const deadline = this.seconds ? { deadline: Date.now() + this.seconds * 1000 } : {};
    return new Promise((resolve, reject) =>
      this.grpc.makeUnaryRequest(
        address,
        (request) => encode("FlightDescriptor", request),
        (bytes) => decode("FlightInfo", bytes),
        descriptor(command, value),
        this.headers,
        deadline,
        (error, info) => (error ? reject(error) : resolve(info)),
      ),
    );
  }

  /** Log in: the answer's header is the token of all calls from then on. */
  async login(user, password) {
    this.headers.set("authorization", "Basic " + Buffer.from(`${user}:${password}`).toString("base64"));
    const call = this.call("makeBidiStreamRequest", "Handshake", "HandshakeRequest", "HandshakeResponse");
    const told = new Promise((resolve) => call.on("metadata", resolve));
    call.end({});
    for await (const _ of call);
    this.headers.set("authorization", (await told).get("authorization")[0]);
  }

  async action(name, body) {
    const answers = [];
    const call = this.call("makeServerStreamRequest", "DoAction", "Action", "Result", { type: name, body });
    for await (const answer of call) answers.push(answer.body);
    return answers;
  }

  /** The stream of a ticket, as bytes of Arrow's format; `started` gets its call. */
  async *stream(ticket, started = () => {}) {
    const call = this.call("makeServerStreamRequest", "DoGet", "Ticket", "FlightData", ticket);
    started(call);
    for await (const data of call) if (data.data_header.length) yield framed(data);
  }

  /** The record batches of all endpoints. */
  async *batches(info, started) {
    for (const endpoint of info.endpoint) {
      const other = endpoint.location.map(({ uri }) => uri).find((uri) => uri.startsWith("grpc://"));
      const client = other ? new Client(other.slice("grpc://".length)) : this;
      try {
        const reader = await arrow.RecordBatchReader.from(client.stream(endpoint.ticket, started));
        for await (const batch of reader) yield batch;
      } finally {
        if (client !== this) client.close();
      }
    }
  }

  /** Upload data, or nothing, for a command; gives the metadata of the first answer. */
  async put(command, value, table) {
    const call = this.call("makeBidiStreamRequest", "DoPut", "FlightData", "PutResult");
    const messages = table ? unframed(arrow.tableToIPC(table, "stream")) : [{}];
    messages[0].flight_descriptor = descriptor(command, value);
    messages.forEach((message) => call.write(message));
    call.end();
    let answer = null;
    for await (const each of call) answer ??= each.app_metadata;
    return answer;
  }

  async update(command, value, table) {
    const answer = await this.put(command, value, table);
    return decode(`${PACKAGE}.sql.DoPutUpdateResult`, answer).record_count;
  }

  close() {
    this.grpc.close();
  }
}

/** A message of a stream, as Arrow's format has it. */
function framed({ data_header: header, data_body: body }) {
  const padded = (header.length + 7) & ~7;
  const found = Buffer.alloc(8 + padded + body.length);
  found.writeUInt32LE(0xffffffff, 0);
  found.writeInt32LE(padded, 4);
  found.set(header, 8);
  found.set(body, 8 + padded);
  return found;
}

/** The messages of a stream. */
function unframed(bytes) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages = [];
  for (let at = 0; at + 8 <= buffer.length; ) {
    const length = buffer.readInt32LE(at + 4);
    if (length === 0) break;
    const header = buffer.subarray(at + 8, at + 8 + length);
    const size = Number(arrow.Message.decode(header).bodyLength);
    at += 8 + length;
    messages.push({ data_header: header, data_body: buffer.subarray(at, at + size) });
    at += size;
  }
  return messages;
}

/** The schema in bytes of Arrow's format. */
const schemaOf = (bytes) => arrow.tableFromIPC(bytes).schema;

module.exports = { Client, PACKAGE, decode, encode, schemaOf, unwrapped, wrapped };
