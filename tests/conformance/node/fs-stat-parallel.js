const { als, cb, start } = require('./harness');
const fs = require('node:fs');
start();
for (const store of ['A', 'B', 'C']) {
  als.run(store, () => fs.stat('/', () => cb(`stat-of-${als.getStore()}`)));
}
