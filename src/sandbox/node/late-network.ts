import { PodroleError } from '../../lib/errors.ts'
import type { NodeNetwork } from './network.ts'
import type { ProbeTarget } from './probe-target.ts'

/** A node's network that is opened when something is to run in it: each is a process. */
export class LateNetwork implements NodeNetwork {
  readonly #open: () => Promise<NodeNetwork>
  readonly #forwards = new Set<number>()
  #opening: Promise<NodeNetwork> | undefined
  #network: NodeNetwork | undefined

  constructor(open: () => Promise<NodeNetwork>) {
    this.#open = open
  }

  /** Of a network that is open. @throws PodroleError `NetworkNotOpen` */
  get holder(): number {
    if (this.#network !== undefined) return this.#network.holder
    throw new PodroleError('NetworkNotOpen', "the node's network is not open")
  }

  /** Opens it, where it is not open yet. @throws what opening throws; the next call tries again */
  async opened(): Promise<NodeNetwork> {
    this.#opening ??= this.#openWithForwards()
    try {
      return await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  async addForward(port: number): Promise<void> {
    this.#forwards.add(port)
    // One that is not opened yet gets it then.
    const network = await this.#opening?.catch(() => undefined)
    await network?.addForward(port)
  }

  async probe(target: ProbeTarget): Promise<boolean> {
    return (await this.opened()).probe(target)
  }

  async stop(): Promise<void> {
    const network = await this.#opening?.catch(() => undefined)
    await network?.stop()
  }

  async #openWithForwards(): Promise<NodeNetwork> {
    const network = await this.#open()
    try {
      for (const port of this.#forwards) await network.addForward(port)
    } catch (error) {
      await network.stop()
      throw error
    }
    this.#network = network
    return network
  }
}
