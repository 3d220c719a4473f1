#!/usr/bin/env bash
# A cluster for trying and testing on Linux, with kind 0.30 or later, 40 GB of disk and a way to the internet: kind,
# Kubeflow's training operator and Kubeflow Pipelines at pinned versions, a storage emulator that pods and this machine
# reach under one address, our images, and the kind overlay. Running it again mends what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
emulator=fsouza/fake-gcs-server:1.52.2

for program in kind kubectl git curl "$docker"; do
    command -v "$program" >/dev/null || { echo "$program is not installed"; exit 2; }
done

mkdir -p build
kind get clusters 2>/dev/null | grep -qx platen || kind create cluster --config manifests/kind/kind.yaml
kind export kubeconfig --name platen --kubeconfig build/kind.kubeconfig
export KUBECONFIG=$PWD/build/kind.kubeconfig

kubectl apply --server-side -k "github.com/kubeflow/training-operator.git/manifests/overlays/standalone?ref=v1.9.3"
kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped-resources?ref=2.17.0"
kubectl wait --for condition=established --timeout 60s crd/applications.app.k8s.io
kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref=2.17.0"

if ! "$docker" inspect platen-storage >/dev/null 2>&1; then
    # shellcheck disable=SC2016 # expanded in the container
    "$docker" create --name platen-storage --network kind --entrypoint sh "$emulator" -c '
        ip=$(hostname -i); exec /bin/fake-gcs-server -scheme http -backend memory -external-url "http://$ip:4443" -public-host "$ip:4443"' >/dev/null
fi
"$docker" start platen-storage >/dev/null
address=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' platen-storage)

# All of them: every step in Kubeflow Pipelines has an image of its own. They share all but a name and a label.
built=$(DOCKER=$docker images/build.sh | tee /dev/stderr)
mapfile -t images <<<"$built"
kind load docker-image --name platen "${images[@]}"

kubectl rollout status deployment/training-operator --namespace kubeflow --timeout 300s
echo "waiting for Kubeflow Pipelines (its images are pulled first: some minutes)"
kubectl wait --for condition=Available --timeout 900s --namespace kubeflow deployment --all
kubectl port-forward --namespace kubeflow service/ml-pipeline 8888:8888 >/dev/null &
forward=$!
trap 'kill "$forward" 2>/dev/null || true' EXIT
curl --silent --show-error --fail --retry 20 --retry-connrefused --retry-delay 3 http://localhost:8888/apis/v2beta1/healthz
kill "$forward"

# Jobs and server are in `platen`, the steps of Kubeflow Pipelines in `kubeflow`, as its pipeline-runner; the overlay
# binds that and an account of the same name in `platen`, for steps outside of Kubeflow Pipelines.
kubectl apply -k manifests/overlays/kind
kubectl label namespace kubeflow platen.dev/client=true --overwrite
curl --silent --show-error --retry 10 --retry-connrefused --max-time 20 --output /dev/null --data '{"name": "platen"}' --header 'Content-Type: application/json' "http://$address:4443/storage/v1/b?project=platen"
kubectl --namespace platen set env deployment/platen-serve PLATEN_WORKSPACE=gs://platen/workspace "STORAGE_EMULATOR_HOST=http://$address:4443"
kubectl --namespace platen patch service platen-serve --patch '{"spec": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]}}'
kubectl config set-context --current --namespace platen

# What the steps in Kubeflow Pipelines are told: where jobs and server are, and the storage.
echo "env: {PLATEN_NAMESPACE: platen, STORAGE_EMULATOR_HOST: 'http://$address:4443'}" >build/kind-cluster.yaml
.venv/bin/platen compile --cluster build/kind-cluster.yaml --out build/kind

node=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' platen-control-plane)
cat <<END

export KUBECONFIG=$KUBECONFIG STORAGE_EMULATOR_HOST=http://$address:4443
then, without Kubeflow Pipelines:
  platen demo --docker --settings examples/demo.yaml --settings examples/kind.yaml
or in Kubeflow Pipelines, whose user interface is then at http://localhost:8888:
  kubectl port-forward --namespace kubeflow service/ml-pipeline-ui 8888:80 &
  platen submit --demo --compiled build/kind --workspace gs://platen/workspace --host http://localhost:8888 --wait
or the tests, of which those of releases ask Services by their addresses:
  sudo ip route replace 10.96.0.0/16 via $node
  make test-cluster
END
