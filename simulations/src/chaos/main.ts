// `npm run chaos -- [ops] [seed]`: chaos over both brokers, and whether each question had exactly one effect.

import { hasMosquitto } from '../net/mosquitto.ts';
import { runChaos } from './run-chaos.ts';

const [ops = 5_000, seed = 1] = process.argv.slice(2).map(Number);
if (!Number.isInteger(ops) || ops < 1 || !Number.isInteger(seed)) {
  process.stderr.write('npm run chaos -- [ops] [seed]\n');
  process.exit(2);
}
let kept = true;
for (const broker of ['aedes', 'mosquitto'] as const) {
  if (broker === 'mosquitto' && !hasMosquitto()) {
    process.stdout.write('mosquitto: skipped, it is not installed\n');
    continue;
  }
  const result = await runChaos({ broker, ops, seed });
  const { taken, answered, repeated, accepted, open, cuts, disorder, slowCutOffs } = result;
  const exact =
    taken === ops && answered === ops && accepted === ops && open === 0 && repeated === 0;
  kept &&= exact;
  process.stdout.write(
    `${exact ? '✓' : '✗'} ${broker}: ${ops} asked, ${taken} taken, ${answered} answered, ${repeated} answers repeated; ` +
      `the coordinator accepted ${accepted}, ${open} open\n` +
      `    ${cuts} cuts, ${disorder.repeated} messages repeated and ${disorder.delayed} overtaken, ` +
      `a subscriber that never reads cut off ${slowCutOffs} times, broker and agent killed twice each, ` +
      `${result.seconds.toFixed(0)} s, seed ${seed}\n`,
  );
}
process.exit(kept ? 0 : 1);
