const { als, cb, hide, start } = require('./harness');
const net = require('node:net');
start();
const large = Buffer.alloc(16 * 1024 * 1024);
function serve(socket) {
  socket.resume();
  server.close();
}
function talk() {
  const socket = net.connect(server.address().port, '127.0.0.1', () => {
    als.run('SMALL', () => cb(`small-ret=${socket.write('x', () => cb('small-write-cb'))}`));
    als.run('WRITE', () => cb(`write-ret=${socket.write(large, () => cb('write-cb'))}`));
    als.run('QUEUED', () => socket.write(large, () => {
      cb('queued-write-cb');
      socket.destroy();
    }));
  });
  socket.on('drain', () => cb('drain'));
  socket.on('close', () => cb('close'));
}
const server = net.createServer(serve);
hide(() => server.listen(0, '127.0.0.1'));
setImmediate(() => als.run('CLI', talk));
