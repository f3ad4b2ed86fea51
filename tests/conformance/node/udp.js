const { als, cb, start } = require('./harness');
const dgram = require('node:dgram');
start();
function receive() {
  cb('message');
  als.run('CLOSE', () => receiver.close(() => cb('close')));
}
function send() {
  const sender = dgram.createSocket('udp4');
  sender.send('hi', receiver.address().port, '127.0.0.1', () => {
    cb('send-cb');
    sender.close();
  });
}
const receiver = als.run('CREATE', () => dgram.createSocket('udp4'));
als.run('LISTEN', () => receiver.on('message', receive));
als.run('BIND', () => receiver.bind(0, '127.0.0.1', () => {
  cb('listening');
  als.run('SEND', send);
}));
