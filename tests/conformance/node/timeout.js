const { als, cb, start } = require('./harness');
start();
als.run('A', () => setTimeout(() => cb('timeout'), 1));
cb('main');
