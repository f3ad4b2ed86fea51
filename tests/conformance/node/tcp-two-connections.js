const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
let connections = 0;
function serve(socket) {
  const number = ++connections;
  als.enterWith(`CONN${number}`);
  cb(`conn${number}`);
  socket.on('data', () => cb(`data${number}`));
  socket.on('end', () => socket.end());
}
function talk(next) {
  const socket = net.connect(server.address().port, '127.0.0.1', () => socket.end('x'));
  socket.resume();
  socket.on('close', next);
}
const server = net.createServer(serve);
server.listen(0, '127.0.0.1', () => talk(() => talk(() => server.close())));
