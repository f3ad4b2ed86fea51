const { als, cb, start } = require('./harness');
start();
let settle;
const inner = als.run('INNER', () => new Promise((resolve) => { settle = resolve; }));
const outer = als.run('OUTER', () => new Promise((resolve) => resolve(inner)));
als.run('THEN', () => { outer.then(() => cb('then')); });
als.run('RESOLVE', () => setTimeout(() => settle(), 1));
