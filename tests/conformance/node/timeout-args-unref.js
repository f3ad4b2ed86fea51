const { als, cb, start } = require('./harness');
start();
als.run('A', () => setTimeout((x) => cb(`unref-never-${x}`), 10_000, 1).unref());
als.run('B', () => setTimeout((x, y) => cb(`args-${x}${y}`), 1, 1, 2));
