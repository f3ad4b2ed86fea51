const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
function talk() {
  const to = { port: server.address().port, host: 'localhost', family: 4 };
  const socket = net.connect(to, () => cb('connect'));
  socket.resume();
  socket.on('close', () => {
    cb('close');
    server.close();
  });
}
const server = net.createServer((socket) => socket.end());
server.listen(0, '127.0.0.1', () => als.run('CLI', talk));
