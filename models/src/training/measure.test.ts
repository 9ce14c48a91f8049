import { describe, expect, it } from 'vitest';
import type { Observed } from '../calibration/observed.ts';
import { measure } from './measure.ts';

/** Three examples of two classes: sure and right, sure and wrong, unsure and wrong; the cloud is always right. */
const outputs: Observed = {
  classes: 2,
  logits: Float32Array.of(9, 0, 9, 0, 0.1, 0),
  whole: Float32Array.of(1, 0, 0, 1, 0, 1),
  cut: { datatype: 'UINT8', shape: [3, 4], data: new Uint8Array(12) },
  labels: Uint8Array.of(0, 1, 1),
};

describe('measure', () => {
  it('counts what the edge answers, and what the cloud answers of the rest', () => {
    const measured = measure(outputs, { temperature: 1, threshold: 0.9 });
    expect(measured).toMatchObject({
      accuracyAtExit1: 1 / 3,
      accuracyAtExit2: 1,
      accuracyEndToEnd: 2 / 3,
      shareAtEdge: 2 / 3,
      riskAtEdge: 1 / 3,
      cutBytes: 4,
    });
    expect(measured.cutBytesDeflated).toBeGreaterThan(0);
  });

  it('escalates what is out of domain, however sure the exit is', () => {
    const measured = measure(outputs, {
      temperature: 1,
      threshold: 0.9,
      domain: { energyMax: -100 },
    });
    expect(measured).toMatchObject({ shareAtEdge: 0, accuracyEndToEnd: 1 });
  });

  it('asks the answered class’s own threshold where there is one', () => {
    const thresholds = [null, 0.9];
    expect(measure(outputs, { temperature: 1, threshold: 0.9, thresholds }).shareAtEdge).toBe(0);
  });

  it('escalates everything without a threshold', () => {
    const measured = measure(outputs, { temperature: 1, threshold: null });
    expect(measured).toMatchObject({ shareAtEdge: 0, riskAtEdge: 0, accuracyEndToEnd: 1 });
  });
});
