// The real randomness keeps the contract of randomness.

import { systemRandom } from '../../node/adapters/system.ts'
import { randomContract } from './random.contract.ts'

randomContract('system', () => systemRandom, false)
