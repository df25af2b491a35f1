/** The program of test/clients/go on aws-sdk-go-v2, built once and kept between runs. */
import { join } from 'node:path'
import { findGoProgram, type GoProgramFound } from './go-program.ts'

/** The folder of the Go module. */
export const GO_CLIENTS: string = join(import.meta.dir, '..', 'clients', 'go')

/** @throws Error where the sources do not compile */
export const findGoClients = (): Promise<GoProgramFound> =>
  findGoProgram({
    module: GO_CLIENTS,
    name: 'clients-go',
    needs: 'the clients on aws-sdk-go-v2',
    takes: 'about three minutes on two cores, seconds where Go has the SDK built',
    flags: ['-trimpath', '-buildvcs=false', '-ldflags=-s -w'],
  })
