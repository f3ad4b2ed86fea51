const { als, cb, start } = require('./harness');
start();
const cleared = als.run('A', () => setImmediate(() => cb('never')));
clearImmediate(cleared);
setImmediate(() => cb('other'));
