const { als, cb, start } = require('./harness');
const net = require('node:net');
start();
const first = net.createServer();
function listenAgain() {
  const second = net.createServer();
  second.on('error', (error) => {
    cb(`error-${error.code}`);
    first.close();
  });
  second.listen(first.address().port, '127.0.0.1');
}
first.listen(0, '127.0.0.1', () => als.run('B', listenAgain));
