const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
function serve(socket) {
  cb('srv-connection');
  socket.on('data', (bytes) => {
    cb('srv-data');
    socket.write(bytes, () => cb('srv-write-cb'));
  });
  socket.on('end', () => {
    cb('srv-end');
    socket.end();
  });
  socket.on('close', () => cb('srv-sock-close'));
}
function talk() {
  const socket = net.connect(server.address().port, '127.0.0.1', () => {
    cb('cli-connect');
    socket.write('hi', () => cb('cli-write-cb'));
  });
  socket.on('data', () => {
    cb('cli-data');
    socket.end(() => cb('cli-end-cb'));
  });
  socket.on('end', () => cb('cli-end'));
  socket.on('close', () => {
    cb('cli-close');
    als.run('SRV-CLOSE', () => server.close(() => cb('srv-close-cb')));
  });
}
const server = als.run('SRV-CREATE', () => net.createServer(serve));
als.run('SRV-LISTEN', () => server.listen(0, '127.0.0.1', () => {
  cb('srv-listening');
  als.run('CLI', talk);
}));
