import { expect, it } from 'vitest';
import { strainOf } from './strain.ts';

const limits = { batteryShareMin: 0.15, celsiusMax: 90 };

it.each([
  ['nothing is known', {}, undefined],
  ['the battery is low and drains', { batteryShare: 0.14, discharging: true }, 'battery'],
  ['it is low and charges', { batteryShare: 0.14, discharging: false }, undefined],
  ['it is at the bound', { batteryShare: 0.15, discharging: true }, undefined],
  ['a zone is too hot', { celsius: 90 }, 'heat'],
  ['it is warm', { celsius: 89.9 }, undefined],
  ['both are bad', { batteryShare: 0, discharging: true, celsius: 99 }, 'battery'],
] as const)('where %s', (_, reading, strain) => expect(strainOf(reading, limits)).toBe(strain));
