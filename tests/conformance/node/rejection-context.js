const { als, cb, start } = require('./harness');
start();
process.on('unhandledRejection', () => cb('unhandledRejection'));
let settle;
const promise = als.run('CREATE', () => new Promise((resolve, reject) => { settle = reject; }));
als.run('REJECT', () => settle(new Error('boom')));
