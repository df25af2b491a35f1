import { describe } from 'bun:test'
import { readCases } from './contract-cases.ts'
import { startSandboxTarget } from './contract-targets.ts'
import { declareContract } from './contract.suite.ts'

describe("the contract, of the sandbox's cluster", () => {
  declareContract(readCases(), startSandboxTarget)
})
