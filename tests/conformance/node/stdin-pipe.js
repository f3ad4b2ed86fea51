// Standard input is a pipe, which holds some text and ends.
const { als, cb, start } = require('./harness');
start();
als.run('A', () => {
  process.stdin.on('data', () => cb('stdin-data'));
  process.stdin.on('end', () => cb('stdin-end'));
});
