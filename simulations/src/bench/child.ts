// A measurement's own process: `node child.js NAME OPTIONS` prints its result as one line of JSON.

import { type MeasurementName, measurements } from './registry.ts';

// process.exit runs the exit handlers, which end what this process has started.
process.on('SIGTERM', () => process.exit(1));

const [name = '', options = '{}'] = process.argv.slice(2); // As measure.ts wrote them.
const measure: (options: never) => Promise<unknown> = measurements[name as MeasurementName];
process.stdout.write(`${JSON.stringify(await measure(JSON.parse(options) as never))}\n`);
process.exit(0);
