/**
 * Node's HTTP server. Loaded like this because an `import` of node:http also evaluates its lazy exports, which brings in
 * Node's fetch: 13 MB and 30 ms that a server never uses.
 */
const { createServer, ServerResponse, STATUS_CODES } = process.getBuiltinModule('node:http');

export { createServer, ServerResponse, STATUS_CODES };
