// `npm run chaos -- [ops]`: chaos over both brokers, and whether each question had exactly one effect.

import { hasMosquitto } from '../net/mosquitto.ts';
import { runChaos } from './run-chaos.ts';

const ops = Number(process.argv[2] ?? 5_000);
if (!Number.isInteger(ops) || ops < 1) {
  process.stderr.write('npm run chaos -- [ops]\n');
  process.exit(2);
}
let kept = true;
for (const broker of ['aedes', 'mosquitto'] as const) {
  if (broker === 'mosquitto' && !hasMosquitto()) {
    process.stdout.write('mosquitto: skipped, it is not installed\n');
    continue;
  }
  const { taken, answered, repeated, cuts, seconds } = await runChaos({ broker, ops });
  const exact = taken === ops && answered === ops && repeated === 0;
  kept &&= exact;
  process.stdout.write(
    `${exact ? '✓' : '✗'} ${broker}: ${ops} asked, ${taken} taken, ${answered} answered, ${repeated} repeated; ` +
      `${cuts} cuts, broker and agent killed twice each, ${seconds.toFixed(0)} s\n`,
  );
}
process.exit(kept ? 0 : 1);
