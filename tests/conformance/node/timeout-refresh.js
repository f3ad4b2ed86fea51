const { als, cb, start } = require('./harness');
start();
let calls = 0;
const timer = als.run('A', () => setTimeout(() => cb(`timer${++calls}`), 10));
als.run('B', () => timer.refresh());
const again = () => als.run('C', () => timer.refresh());
setTimeout(again, 50);
