const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
let events = 0;
let answers = 0;
function serve(socket) {
  cb('conn');
  socket.on('data', () => {
    cb(`data${++events}`);
    als.enterWith(`E${events}`);
    socket.write('x');
  });
  socket.on('end', () => {
    cb('end');
    socket.end();
  });
}
function talk() {
  const socket = net.connect(server.address().port, '127.0.0.1', () => socket.write('a'));
  socket.on('data', () => {
    if (++answers < 3) socket.write('b');
    else socket.end();
  });
  socket.on('close', () => server.close());
}
const server = net.createServer(serve).listen(0, '127.0.0.1', talk);
