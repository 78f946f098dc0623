// A puppet: it does with `ws` what a line of JSON on stdin says, and tells in lines of JSON on stdout what happens.
// It ends with its stdin.  Payloads are in base64.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const readline = require("node:readline");
const { WebSocket, WebSocketServer } = require("ws");

const sockets = new Map();

function tell(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

function adopt(id, ws) {
  sockets.set(id, ws);
  ws.on("message", (data, binary) => tell({ id, event: "message", binary, data: data.toString("base64") }));
  ws.on("pong", (data) => tell({ id, event: "pong", data: data.toString("base64") }));
  ws.on("close", (code, reason) => tell({ id, event: "close", code, reason: reason.toString() }));
  ws.on("error", () => {}); // "close" follows
}

const orders = {
  connect({ id, uri, subprotocols, headers, authority, compression, limit }) {
    const ca = authority && fs.readFileSync(authority);
    const ws = new WebSocket(uri, subprotocols, { headers, ca, perMessageDeflate: compression, maxPayload: limit });
    let answer;
    ws.on("upgrade", (response) => (answer = response.headers));
    ws.on("open", () => tell({ id, event: "open", subprotocol: ws.protocol, headers: answer }));
    ws.on("unexpected-response", async (request, response) => {
      const body = Buffer.concat(await response.toArray());
      tell({ id, event: "refused", status: response.statusCode, body: body.toString("base64") });
    });
    adopt(id, ws);
  },

  serve({ host, certificate, key, compression, subprotocol, greeting, forbidden, refusal, limit }) {
    const server = certificate
      ? https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
      : http.createServer();
    const listener = new WebSocketServer({
      server,
      maxPayload: limit,
      perMessageDeflate: compression,
      handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
      verifyClient: ({ req }, done) => (req.url === forbidden ? done(false, 403, refusal) : done(true)),
    });
    listener.on("headers", (lines) => lines.push(...Object.entries(greeting).map((field) => field.join(": "))));
    let count = 0;
    listener.on("connection", (ws, request) => {
      const id = ++count;
      tell({ id, event: "connection", path: request.url, subprotocol: ws.protocol, headers: request.headers });
      adopt(id, ws);
    });
    server.listen(0, host, () => tell({ id: 0, event: "listening", port: server.address().port }));
  },

  send({ id, parts, binary, pings, compress }) {
    const ws = sockets.get(id);
    const options = typeof compress === "boolean" ? { binary, compress } : { binary };
    parts.forEach((part, number) => {
      if (pings && number > 0) ws.ping(String(number));
      ws.send(Buffer.from(part, "base64"), { ...options, fin: number === parts.length - 1 });
    });
  },

  ping({ id, data }) {
    sockets.get(id).ping(Buffer.from(data, "base64"));
  },

  close({ id, code, reason }) {
    sockets.get(id).close(code, reason);
  },

  drop({ id }) {
    sockets.get(id).terminate();
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const order = JSON.parse(line);
  orders[order.order](order);
});
lines.on("close", () => process.exit());
