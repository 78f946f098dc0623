// `ws` on Node.  `node ws.js server 0` tells its port and echoes until its stdin ends, `node ws.js server 0 deflate` with
// compression, which it has to be told; `node ws.js URL` is a client.
"use strict";

const { WebSocket, WebSocketServer } = require("ws");

function echo(ws) {
  ws.on("error", console.error);
  ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
}

if (process.argv[2] === "server") {
  const port = Number(process.argv[3]);
  const perMessageDeflate = process.argv[4] === "deflate";
  const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 1024, perMessageDeflate });
  server.on("connection", echo);
  server.on("listening", () => console.log(server.address().port));
  process.stdin.resume().on("end", () => process.exit());
} else {
  echo(new WebSocket(process.argv[2]));
}
