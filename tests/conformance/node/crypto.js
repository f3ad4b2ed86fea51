const { als, cb, start } = require('./harness');
const crypto = require('node:crypto');
start();
als.run('A', () => crypto.pbkdf2('a', 'b', 1, 10, 'sha1', () => {
  cb('pbkdf2');
  als.run('B', () => crypto.randomBytes(8, () => cb('randomBytes')));
}));
