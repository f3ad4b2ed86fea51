const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
function connect() {
  const socket = net.connect(server.address().port, '127.0.0.1', () => cb('never'));
  socket.on('close', () => {
    cb('close');
    server.close();
  });
  socket.destroy();
}
const server = net.createServer(() => cb('srv-connection'));
server.listen(0, '127.0.0.1', () => als.run('CLI', connect));
