const { als, cb, start } = require('./harness');
const dns = require('node:dns');
start();
function lookupService() {
  dns.lookupService('127.0.0.1', 80, () => cb('service'));
}
function lookupAddress() {
  dns.lookup('127.0.0.1', () => {
    cb('address');
    als.run('C', lookupService);
  });
}
als.run('A', () => dns.lookup('localhost', { family: 4 }, () => {
  cb('name');
  als.run('B', lookupAddress);
}));
