import { byzantineSection } from './byzantine-section.ts';
import { compressionSection } from './compression-section.ts';
import {
  cnnSection,
  cnnSgdSection,
  fedavgSection,
  fedsgdSection,
  shardsSection,
} from './fedavg-section.ts';
import { fedbuffSection } from './fedbuff-section.ts';
import { fedoptFullSection, fedoptSection } from './fedopt-section.ts';
import { fedproxSection } from './fedprox-section.ts';
import { headSection } from './head-section.ts';
import { privacySection } from './privacy-section.ts';
import type { Section } from './section.ts';

/** By the name that a command gives them, the shorter ones first. */
export const sections = {
  fedavg: fedavgSection,
  fedopt: fedoptSection,
  byzantine: byzantineSection,
  compression: compressionSection,
  fedbuff: fedbuffSection,
  fedprox: fedproxSection,
  head: headSection,
  privacy: privacySection,
  'fedopt-full': fedoptFullSection,
  fedsgd: fedsgdSection,
  shards: shardsSection,
  cnn: cnnSection,
  'cnn-sgd': cnnSgdSection,
} as const satisfies Record<string, Section>;

/** Two hours for one figure is for whoever asks for it. */
export const inAll = (name: string): boolean => name !== 'cnn-sgd';
