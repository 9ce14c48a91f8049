import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTextRouter, textRouterSchema } from '../text-router/text-router.ts';
import { route } from './route.ts';

/** The weak model fails at sums, and at one question in fifty beside them. */
function lines(count: number): string {
  const random = createRandom(1);
  return Array.from({ length: count }, (_, i) => {
    const isSum = random.next() < 0.5;
    const text = isSum ? `What is the sum of ${i} and 7 percent?` : `How deep is the bay of ${i}?`;
    const weakRight = isSum ? random.next() < 0.1 : random.next() < 0.98;
    return `${JSON.stringify({ text, weakRight, strongRight: true })}\n`;
  }).join('');
}

async function fresh(text: string) {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-route-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [questions, out] = [join(folder, 'questions.jsonl'), join(folder, 'router.json')];
  await writeFile(questions, text);
  const run = (...flags: string[]) => route.run([questions, '--out', out, ...flags]);
  const read = async () => textRouterSchema.parse(JSON.parse(await readFile(out, 'utf8')));
  return { run, read };
}

describe('models route', () => {
  it('writes a router that trusts the weak model where it may, and tells what that is worth', async () => {
    const { run, read } = await fresh(lines(1_200));
    const done = await run('--epsilon', '0.05');
    expect(done).toMatchObject({ ok: true, value: expect.stringContaining('P(risk ≤ ε) ≥ 1 − δ') });
    expect(done.ok && done.value).toMatch(/proven on +300 questions/);
    const weights = await read();
    expect(weights.threshold).not.toBeNull();
    const router = createTextRouter(weights);
    expect(router.route('How deep is the bay of 9?').to).toBe('weak');
    expect(router.route('What is the sum of 9 and 7 percent?').to).toBe('strong');
  });

  it('trusts nothing where the questions are too few, and says so', async () => {
    const { run, read } = await fresh(lines(40));
    expect(await run()).toMatchObject({ ok: true, value: expect.stringContaining('10 examples') });
    expect((await read()).threshold).toBeNull();
  });

  it.each([
    ['nothing', ''],
    ['too few to split', lines(1)],
    ['no JSON', '{\n'],
    ['another field', '{"text":"a","weakRight":true,"strongRight":true,"x":1}\n'],
    ['no verdict', '{"text":"a"}\n'],
  ])('refuses %s', async (_, text) => {
    const { run } = await fresh(text);
    expect(await run()).toMatchObject({ error: { code: 'invalid_config' } });
  });
});
