import { expect, it } from 'vitest';
import { createGraphBuilder } from '../onnx/index.ts';
import { checkExcluded } from './check-excluded.ts';

function graphOf(operator: string) {
  const graph = createGraphBuilder('one');
  graph.output(graph.add(operator, [graph.input('x', 'FP32', [1])], {}, operator), 'FP32', [1]);
  return graph.build();
}

it('a name to exclude is that of a node, or of an operator, in some stage', () => {
  const models = [graphOf('Relu'), graphOf('Neg')];
  const check = (...names: string[]) => checkExcluded(models, new Set(names));
  expect(check()).toMatchObject({ ok: true });
  expect(check('Relu', 'Neg_node')).toMatchObject({ ok: true });
  expect(check('Relu', 'Negg')).toMatchObject({
    error: { code: 'invalid_argument', message: expect.stringContaining("'Negg'") },
  });
});
