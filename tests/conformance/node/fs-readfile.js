const { als, cb, start } = require('./harness');
const fs = require('node:fs');
start();
als.run('A', () => fs.readFile(__filename, () => cb('readFile')));
