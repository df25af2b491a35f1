import { type Command, Option } from 'commander'
import { collect } from '../options.ts'

/** Which clusters a command looks at. */
export const addClustersOption = (command: Command): Command =>
  command.option(
    '--cluster <name>',
    'on EKS or on a broker (repeatable); the kubeconfig alone if none',
    collect,
    [],
  )

/** Where they and their account are. */
export const addWhereOptions = (command: Command): Command =>
  command
    .option('--profile <name>', 'the AWS profile of the account; AWS_PROFILE if not given')
    .option('--region <region>', 'of the clusters; AWS_REGION if not given')
    .option('--kubeconfig <file>', 'where the clusters are; in a pod its own')
    .option('--context <name>', 'of the kubeconfig, for one cluster')
    .option(
      '--broker [url]',
      'who knows clusters that are not on EKS; PODROLE_BROKER_URL if no URL is given',
    )
    .addOption(new Option('--key-file <file>', 'a broker key').env('PODROLE_BROKER_KEY_FILE'))
    .option('--ca-file <file>', "PEM of the authority behind the broker's certificate")
