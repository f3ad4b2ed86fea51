// Standard input is a terminal, at which a line and the end of input are typed.
const { als, cb, start } = require('./harness');
const tty = require('node:tty');
start();
als.run('A', () => {
  process.stdin.on('data', () => cb('data'));
  process.stdin.on('end', () => cb('end'));
});
als.run('B', () => {
  const output = new tty.WriteStream(0);
  output.write('hello', () => {
    cb('written');
    output.destroy();
  });
});
