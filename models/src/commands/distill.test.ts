import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unwrap } from '@skerry/shared/testing';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { softmax } from '../confidence.ts';
import { zooDirectory } from '../node/read-bundle.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { selectImages } from '../training/labelled-images.ts';
import { readMnist } from '../training/mnist.ts';
import { softLabels } from '../training/soft-labels.ts';
import { distill } from './distill.ts';
import { readModel } from './read-model.ts';

let data: string;

/** 1 600 to learn from, 400 to be judged by. */
beforeAll(async () => {
  const { train } = await readMnist();
  const count = 2000;
  const images = selectImages(
    train,
    Uint32Array.from({ length: count }, (_, i) => i),
  );
  const path = await mkdtemp(join(tmpdir(), 'skerry-digits-'));
  const idx = (shape: readonly number[], bytes: Uint8Array): Buffer => {
    const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
    header.setUint32(0, 0x800 + shape.length);
    for (const [axis, size] of shape.entries()) header.setUint32(4 + 4 * axis, size);
    return Buffer.concat([new Uint8Array(header.buffer), bytes]);
  };
  await writeFile(join(path, 'images'), idx([count, 28, 28], images.pixels));
  await writeFile(join(path, 'labels'), idx([count], images.labels));
  data = `${join(path, 'images')},${join(path, 'labels')}`;
  return () => rm(path, { recursive: true, force: true });
});

const run = (...args: string[]) =>
  distill.run(['digits', '--data', data, '--threads', '1', ...args]);

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'skerry-distill-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe('models distill', () => {
  it('teaches a smaller network by what the digits that ship say, and writes it', async () => {
    const out = join(await folder(), 'student.onnx');
    const report = unwrap(await run('--out', out, '--epochs', '4', '--accuracy-drop-max', '0.15'));
    const [teacher = 0, student = 0] = [...report.matchAll(/(\d+\.\d+) %/g)].map((m) =>
      Number(m[1]),
    );
    expect(teacher).toBeGreaterThan(98);
    expect(student).toBeGreaterThan(85);
    const runtime = createOnnxDirectRuntime();
    onTestFinished(() => runtime.close());
    const { inputs, outputs } = unwrap(await readModel(out, runtime));
    expect(inputs).toMatchObject([{ name: 'image', datatype: 'UINT8', shape: [-1, 1, 28, 28] }]);
    expect(outputs).toMatchObject([{ name: 'logits', datatype: 'FP32', shape: [-1, 10] }]);
  });

  it('teaches the head of a file, whose other bytes stay as they are', async () => {
    const out = join(await folder(), 'student.onnx');
    const edge = join(zooDirectory, 'digits', 'edge.onnx');
    const args = ['--student', edge, '--trains', 'head', '--learning-rate', '0.001'];
    unwrap(await run(...args, '--epochs', '1', '--out', out));
    const [before, after] = [await readFile(edge), await readFile(out)];
    expect(after.equals(before)).toBe(false);
    expect(after.length).toBe(before.length);
  });

  it('shows beside it what the true labels would have taught', async () => {
    const out = join(await folder(), 'student.onnx');
    const args = ['--baseline', 'yes', '--epochs', '1', '--accuracy-drop-max', '1'];
    expect(unwrap(await run(...args, '--out', out))).toMatch(/teacher +student +by labels/);
  });

  it('writes nothing where the student answers too much worse', async () => {
    const out = join(await folder(), 'student.onnx');
    expect(await run('--examples', '50', '--epochs', '1', '--out', out)).toMatchObject({
      error: { message: expect.stringContaining('nothing was written') },
    });
    await expect(readFile(out)).rejects.toThrow('ENOENT');
  });

  it.each<[string, string, string]>([
    ['an unknown student', 'resnet', "no student 'resnet'"],
    ['a file that is not there', 'none.onnx', 'ENOENT'],
  ])('refuses %s', async (_, student, message) => {
    const refused = await run('--student', student, '--out', 'x');
    expect(refused).toMatchObject({ error: { message: expect.stringContaining(message) } });
  });
});

it('a teacher’s labels are its shares at the temperature, row by row', () => {
  const logits = Float32Array.of(1, 2, 3, 0, 0, 4);
  const { shape, data } = softLabels(logits, 3, 2);
  expect(shape).toEqual([2, 3]);
  const expected = [...softmax([1, 2, 3], 2), ...softmax([0, 0, 4], 2)];
  for (const [i, share] of expected.entries()) expect(Number(data[i])).toBeCloseTo(share, 6);
});
