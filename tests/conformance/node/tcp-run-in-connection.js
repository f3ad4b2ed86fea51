const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
let connections = 0;
function serveWithListeners(socket) {
  socket.on('data', () => {
    cb('on-data');
    socket.end('x', () => cb('end-cb'));
  });
  socket.on('close', () => cb('on-close'));
  setTimeout(() => cb('timer'), 1);
}
async function serveInALoop(socket) {
  for await (const bytes of socket) {
    cb('for-await-chunk');
    socket.end('x');
  }
  cb('for-await-done');
}
function serve(socket) {
  als.run(`REQ${++connections}`, () => {
    if (connections === 1) return serveWithListeners(socket);
    serveInALoop(socket);
    return server.close();
  });
}
function talk(next) {
  const socket = net.connect(server.address().port, '127.0.0.1', () => {
    setTimeout(() => socket.write('a'), 10);
  });
  socket.resume();
  socket.on('close', next);
}
const server = net.createServer(serve);
server.listen(0, '127.0.0.1', () => talk(() => talk(() => {})));
