const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
function serve(socket) {
  socket.on('data', () => {});
  socket.on('end', () => socket.end());
}
function talk() {
  const socket = als.run('CONNECT', () => net.connect(server.address().port, '127.0.0.1', () => {
    cb('connect');
    als.run('END', () => socket.end('bye', () => cb('finish-cb')));
  }));
  als.run('LISTENERS', () => {
    socket.on('end', () => cb('end'));
    socket.on('finish', () => cb('finish'));
    socket.on('close', () => {
      cb('close');
      server.close();
    });
    socket.resume();
  });
}
const server = net.createServer(serve).listen(0, '127.0.0.1', talk);
