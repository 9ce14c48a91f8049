import { cryptographyContract } from '../testing/index.ts';
import { createNodeCryptography } from './node-cryptography.ts';

cryptographyContract('node:crypto', createNodeCryptography);
